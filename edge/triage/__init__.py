"""From answers and findings to a triage note, by explicit rules, each with its weight and its source. Pure.

Nothing here is a diagnosis or a probability: points order what is to be considered, and nothing else.
"""
