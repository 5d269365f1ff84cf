"""Answers a host before anything is loaded: with answers prepared at build time.

Loading the server takes a second, in which some hosts give it up, and most of its memory. So the first
questions of every host are answered here, and the server is loaded at the first message that needs it.
"""
