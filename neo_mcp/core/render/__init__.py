"""Events as text: lines, transcripts, web pages and forms."""
