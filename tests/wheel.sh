#!/bin/sh
# The wheel in an environment of its own: it plans the packaged example and serves its page. For `make wheel-check`.
#   sh tests/wheel.sh dist/stackyard-0.1.0-py3-none-any.whl        PYTHON=python3.12 names another interpreter
set -eu
wheel=$(realpath "$1")
folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi; rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "$wheel"
cd "$folder"
PATH="$folder/venv/bin:$PATH"
unset PYTHONPATH
stackyard --version
stackyard plan first-plan -o first --quick >first.txt
stackyard plan openai-sk -o out --quick >out.txt
test -s out/report.html && test -s out/plan.xlsx && test -s out/plan.nc && test -s out/plan.json
head -3 out.txt
stackyard schema >schema.json
port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
stackyard web openai-sk --port "$port" 2>web.txt &
server=$!
python - "$port" <<'CHECK'
import sys, time, urllib.request

for attempt in range(120):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/", timeout=60) as page:
            text = page.read().decode()
        assert page.status == 200 and "OpenAI" in text, text[:500]
        print(f"the page answers: {len(text):,} characters")
        break
    except OSError:  # not there yet, or busy with the first plan
        time.sleep(0.5)
else:
    raise SystemExit("the page does not answer")
CHECK
echo "The wheel works under $(python --version)."
