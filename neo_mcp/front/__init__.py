"""Answers a host before anything is loaded: with answers prepared at build time.

Loading the server takes a second and most of its memory, and some hosts give up before that. So the first
questions of every host are answered here, and the server is loaded at the first message that needs it.
"""
