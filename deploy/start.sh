#!/bin/sh
# Start the app. On a Ray cluster the app's own machine joins first, with nothing to train on: Ray wants it there.
set -e
if [ "$MLPCORE_EXECUTOR" = ray ]; then
    ray start --address="$RAY_ADDRESS" --num-cpus=0 --num-gpus=0 --disable-usage-stats
fi
exec streamlit run app.py --server.address 0.0.0.0
