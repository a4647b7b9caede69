"""Frames of sensors, from files or made up.

`sample` is their shape, `folders` reads your own files, `world` is the built-in world, `transforms` are the random
changes of training, and `check` and `stats` look at what is in a folder.
"""
