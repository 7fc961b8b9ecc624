"""Accepting events, routing them to their targets, and delivering them."""
