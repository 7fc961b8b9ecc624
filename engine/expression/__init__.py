"""The expression language: lexer, parser and closure compiler. Pure and deterministic."""
