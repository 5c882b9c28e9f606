"""How memory is looked at where there is no kdamond. Two ways, which have nothing to do with each other.

*Synthetic memory*, an operations set of DAMON's: the algorithm of `damontui.damon` asks it how often each region was
accessed. Read `areas` (what there is, and how it is touched), `periodic`, `schedule` (phases in time), `chances` (of an
access in a sample), `truth`, and `workload`, the set that is put together from them. `scenes` and `masim` make some.

*Processes, counted* through /proc: there are no samples, and DAMON's algorithm has no part in it. Read `epochs` (what
was touched since a clear), `curve` and `within` (what that says of any time), `address_space` (what is mapped),
`process` (one of them), `processes` (several, as they come and go; `refusals` says why not), and `counted`, the
snapshot of them.
"""
