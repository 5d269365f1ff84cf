"""Makes documentation, releases and figures from the code."""
