"""Servers on this machine that stand in for outside services, for tests and the demo: the real protocol, over a real
socket, with every fault of the real service by switch. Nothing of the domains knows them; only addresses differ."""
