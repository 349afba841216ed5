"""Scores, ranks and draws from files and arrays; knows no Ray."""
