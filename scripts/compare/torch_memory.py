"""Memory of a PyTorch training step: by how much the process grows over its size before the first step, in MiB.
The models are the baselines'; run by scripts/compare/train.
python torch_memory.py BASELINES MODEL d_model layers heads vocabulary context batch d_state float32|bf16"""
import contextlib, sys
sys.path.insert(0, sys.argv[1])
import torch
from models import build

model, (d, layers, heads, vocabulary, context, batch, state), kind = sys.argv[2], map(int, sys.argv[3:10]), sys.argv[10]


def kilobytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name + ":"))


torch.set_num_threads(2)
torch.manual_seed(0)
net = build(model, vocabulary, d, layers, heads, context, state, 64, False)
net.train()
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=0.1, fused=True)
x, y = (torch.randint(vocabulary, (batch, context)) for _ in range(2))
before = kilobytes("VmRSS")
for _ in range(3):
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16) if kind == "bf16" else contextlib.nullcontext():
        loss = net(x, y)
    loss.backward()
    optimizer.step()
print(round((kilobytes("VmHWM") - before) / 1024))
