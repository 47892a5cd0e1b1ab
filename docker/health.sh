#!/bin/sh
# What the images' health check runs: whether the appliance in this container answers, asked where its web worker says it listens,
# which without `web.port` in site.yaml is 8080 or the next free one.
#   edge-app-health      0: it answers; 1: it does not, or has not said yet where
for announced in /dev/shm/edge-app-*/web.json; do
    url=$(sed -n 's|.*"url": "\(https\{0,1\}://[^"]*\)".*|\1|p' "$announced")
    [ -z "$url" ] || ! curl -fsSk --max-time 5 -o /dev/null "${url}healthz" || exit 0
done
exit 1
