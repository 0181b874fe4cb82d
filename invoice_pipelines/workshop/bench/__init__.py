"""The benchmarks: each a module with a `run` that measures one promise of the project and says if it holds.

They are an edge, as the command line is: they use everything, and nothing but the command line uses them. What all of
them share (result, environment) is in `result`; which there are is in `benches`.
"""
