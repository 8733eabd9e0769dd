#!/usr/bin/env bash
# Verifies and measures the CUDA path on this machine in under ten minutes, and writes bench/results/cuda-<gpu>.json.
# Needs Node.js 20.19, this folder built (dist/, the addon, node_modules), ONNX Runtime's CUDA provider (`inhouse setup cuda`)
# and the CUDA libraries in LD_LIBRARY_PATH; python3 with torch and transformers for the comparison. It uses no network and
# says what is missing. docs/cuda.md says how to read the result.
# Usage: bench/gpu/verify.sh [--dry-run] [--parts environment,agreement,speed,engine,torch,contract,more-speed]
#          [--device cuda:0] [--minutes 9] [--output FILE] [--python python3]
#   --dry-run   all steps on a machine without a GPU, with host memory in place of the device's and a tiny model
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! command -v node >/dev/null; then
  echo "verify.sh: node is not on the PATH; Node.js 20.19 or later is needed." >&2
  exit 1
fi
if [[ ! -f dist/bench/gpu/verify.js ]]; then
  if [[ ! -f node_modules/typescript/bin/tsc ]]; then
    echo "verify.sh: dist/ is not built and TypeScript is not installed: build elsewhere (npm run build) and bring dist/." >&2
    exit 1
  fi
  node node_modules/typescript/bin/tsc -p tsconfig.build.json
fi
exec node dist/bench/gpu/verify.js "$@"
