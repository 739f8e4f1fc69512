"""What goes on here, as it shows from outside: by what processes leave and write anyway, without disturbing them."""
