"""STUB"""


def model_card(d):
    return ""
