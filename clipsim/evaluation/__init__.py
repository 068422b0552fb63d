"""Captioned pictures: how good is a model?"""
