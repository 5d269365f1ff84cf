"""Small programs that use the library: read them, run them, take from them."""
