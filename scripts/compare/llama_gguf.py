"""A model of random weights as llama.cpp reads it (GGUF; pip install gguf), for scripts/compare/decode.
python llama_gguf.py OUT gpt|mamba d_model layers heads vocabulary context float32|bf16"""
import sys
import gguf
import numpy

out, model = sys.argv[1:3]
d, layers, heads, vocabulary, context = map(int, sys.argv[3:8])
kind = gguf.GGMLQuantizationType.BF16 if sys.argv[8] == "bf16" else gguf.GGMLQuantizationType.F32
random = numpy.random.default_rng(0)
writer = gguf.GGUFWriter(out, "gpt2" if model == "gpt" else "mamba")


def add(name, *shape, value=None, matrix=False):
    """matrix: multiplied with, and so stored as `kind`; everything else stays float32."""
    x = random.normal(0, 0.02, shape) if value is None else numpy.full(shape, value)
    stored = kind if matrix else gguf.GGMLQuantizationType.F32
    writer.add_tensor(name, gguf.quantize(x.astype(numpy.float32), stored), raw_dtype=stored)


writer.add_tokenizer_model("none")
writer.add_vocab_size(vocabulary)
writer.add_context_length(context)
writer.add_embedding_length(d)
writer.add_block_count(layers)
add("token_embd.weight", vocabulary, d, matrix=True)
add("output_norm.weight", d, value=1)
if model == "gpt":
    writer.add_feed_forward_length(4 * d)
    writer.add_head_count(heads)
    writer.add_layer_norm_eps(1e-5)
    add("position_embd.weight", context, d)
    add("output_norm.bias", d, value=0)
    for i in range(layers):
        for norm in ("attn_norm", "ffn_norm"):
            add(f"blk.{i}.{norm}.weight", d, value=1)
            add(f"blk.{i}.{norm}.bias", d, value=0)
        for name, rows, columns in (("attn_qkv", 3 * d, d), ("attn_output", d, d), ("ffn_up", 4 * d, d), ("ffn_down", d, 4 * d)):
            add(f"blk.{i}.{name}.weight", rows, columns, matrix=True)
            add(f"blk.{i}.{name}.bias", rows, value=0)
else:
    inner, states, taps, rank = 2 * d, 16, 4, (d + 15) // 16
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_ssm_conv_kernel(taps)
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(states)
    writer.add_ssm_time_step_rank(rank)
    for i in range(layers):
        add(f"blk.{i}.attn_norm.weight", d, value=1)
        add(f"blk.{i}.ssm_in.weight", 2 * inner, d, matrix=True)
        add(f"blk.{i}.ssm_conv1d.weight", inner, taps)
        add(f"blk.{i}.ssm_conv1d.bias", inner, value=0)
        add(f"blk.{i}.ssm_x.weight", rank + 2 * states, inner, matrix=True)
        add(f"blk.{i}.ssm_dt.weight", inner, rank, matrix=True)
        add(f"blk.{i}.ssm_dt.bias", inner, value=-4.6)
        add(f"blk.{i}.ssm_a", inner, states, value=-1)
        add(f"blk.{i}.ssm_d", inner, value=1)
        add(f"blk.{i}.ssm_out.weight", d, inner, matrix=True)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
