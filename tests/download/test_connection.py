"""A connection leads nowhere but to public addresses of the host that was meant."""

import ssl

import pytest

from stages.download.connection import connect_checked, is_public
from stages.records.shapes import image_name
from tests.support.bench import PHOTO, allow
from tests.support.image_server import image, image_server


def test_under_tls_the_certificate_must_be_the_hosts(bench, certificate, monkeypatch):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    bench.content["download"]["tries"] = 1
    with image_server(tls=tls) as server:
        url = server.script("/a.jpg", image(PHOTO))
        bench.content["download"]["hosts"] |= allow(server.host)
        bench.fetch(url)
        assert bench.reasons() == {image_name(url): "bad_certificate"}
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        bench.fetch(url, again=[])
        assert bench.stored() == {image_name(url): PHOTO}
        other = f"localhost:{server.server_address[1]}"  # the certificate is of 127.0.0.1
        bench.content["download"]["hosts"] |= allow(other)
        bench.fetch(f"https://{other}/a.jpg")
        assert set(bench.reasons().values()) == {"bad_certificate"}
        assert server.asked == {"/a.jpg": 1}


def test_no_tls_where_tls_is_asked_for(bench):
    bench.content["download"]["tries"] = 1
    url = f"https://{bench.server.host}/a.jpg"
    bench.fetch(url)
    assert bench.reasons() == {image_name(url): "connection"}


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b:1::7f00:1", False),
        ("::127.0.0.1", False),
        ("fec0::1", False),
        ("2002:0808:0808::", True),
    ],
)
def test_addresses_of_this_machine_and_network_are_not_public(address, public):
    assert is_public(address) is public


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "2130706433", "0x7f000001", "127.1"])
def test_no_spelling_of_loopback_is_connected_to(host):
    with image_server() as server, pytest.raises(Exception, match=r"private_address|unknown_host"):
        connect_checked(host, server.server_address[1], private=False, timeout_s=5)
