"""Deciding: packs of Cedar rules, and resolve, reduce, judge; pure functions of their inputs."""
