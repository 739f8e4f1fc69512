"""Contrast of a page's text, as WCAG 2.2 computes it (success criterion 1.4.3)."""

from tests.support.chromium import Page

LEAST = 4.5

_MEASURE = """(() => {
  const parsed = color => { const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = ([r, g, b, a], [R, G, B, A]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), A];
  const linear = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const color = parsed(getComputedStyle(at).backgroundColor);
      if (color[3]) layers.push(color);
      if (color[3] === 1) break;
    }
    return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.textContent.trim();
    if (!text || ["SCRIPT", "STYLE"].includes(element.tagName) || !element.checkVisibility()) continue;
    const back = behind(element), front = over(parsed(getComputedStyle(element).color), back);
    const [dark, light] = [luminance(front), luminance(back)].sort((one, other) => one - other);
    found.push([text, (light + 0.05) / (dark + 0.05)]);
  }
  return found;
})()"""


def contrasts(page: Page) -> dict[str, float]:
    """Give the contrast of each text that is shown with what is behind it, 1 to 21."""
    return dict(page.run(_MEASURE))
