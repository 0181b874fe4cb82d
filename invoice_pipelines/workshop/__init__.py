"""What the project is tried, shown and measured with: local stand-ins for outside services, benchmarks, the demo.

Nothing else imports it. Its commands reach the command line by an entry point; what it needs beyond the product is the
extra `workshop`.
"""
