"""Recipes: one Python file per published table or example, values only.

A recipe is called by its file and its variable: `mnist.distilled` is `mnist-distilled` on the command line. Variables
that start with an underscore are parts. Nothing is imported to list the names.
"""
