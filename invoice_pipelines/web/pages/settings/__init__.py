"""Settings of an organization: what it is called, how it wants things done, who belongs to it, and what it connects."""
