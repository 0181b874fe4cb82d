"""What admins manage of their organization: its people, the tokens of its programs, and its settings."""
