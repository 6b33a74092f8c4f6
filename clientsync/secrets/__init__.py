"""Secrets: references in the settings, the resolvers behind them, and the vault that seals what must be kept.

Settings, parameters and logs hold references only; a value leaves here as ``SecretStr``, whose text form is
asterisks. The key of the vault never lies beside what it seals.
"""
