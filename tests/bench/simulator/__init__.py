"""A simulated fleet under a real Prometheus: what boards, rules and alerts cost where there are many hosts.

```
laboratory -> captured -> pattern      a real guest's page, and which of its lines move
                            |
              host, fleet, neighbours  hosts whose guests come and go, and the other exporters
                            |
              pages -> prometheus      every page over HTTP, scraped by a real server: `simulation`
                            |
   grafana, queries, rules: costs      what the boards ask when they are opened, what the rules take
   storms, pace, paging: weather       what goes wrong for many at one time, and what Alertmanager sends
                         sizing        bytes and CPU for each series, of Prometheus and a store behind it
```
"""
