"""Writes a transformers model as GGUF with the gguf package, converting what llama.cpp's converter converts."""
import math

import gguf
import torch

# Architectures by model type where they differ from it, and those that rotate neighbouring channels.
ARCHITECTURES = {"mistral": "llama", "gemma3_text": "gemma3", "olmo3": "olmo2"}
ROTATES_NEIGHBOURS = {"llama", "mistral", "smollm3", "granite"}


def write_gguf(model, path) -> None:
    config = model.config
    architecture = ARCHITECTURES.get(config.model_type, config.model_type)
    writer = gguf.GGUFWriter(path, architecture)
    heads, key_value_heads = config.num_attention_heads, config.num_key_value_heads
    head_width = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    if head_width != config.hidden_size // heads or config.model_type.startswith(("gemma", "qwen3")):
        writer.add_key_length(head_width)
        writer.add_value_length(head_width)
    add_rope(writer, config, head_width)
    add_traits(writer, config)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture.upper()], config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        weight = weight.float()
        if config.model_type in ROTATES_NEIGHBOURS:
            if ".q_proj." in name:
                weight = interleaved(weight, heads)
            elif ".k_proj." in name:
                weight = interleaved(weight, key_value_heads)
        if "gemma" in config.model_type and name.endswith("norm.weight"):
            weight = weight + 1
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if weight.ndim == 1:
            writer.add_tensor(target, weight.numpy())
        else:
            kind = gguf.GGMLQuantizationType.BF16
            writer.add_tensor(target, gguf.quants.quantize(weight.numpy(), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of the two channels of a rotated pair side by side."""
    shape = (heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return weight.reshape(shape).swapaxes(1, 2).reshape(weight.shape).contiguous()


def add_rope(writer, config, head_width: int) -> None:
    rope = config.rope_parameters
    if "full_attention" in rope:
        if config.model_type != "olmo3":
            writer.add_rope_freq_base_swa(rope["sliding_attention"]["rope_theta"])
        rope = rope["full_attention"]
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(int(head_width * rope.get("partial_rotary_factor", 1.0)))
    kind = rope["rope_type"]
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    elif kind == "longrope":
        original = rope["original_max_position_embeddings"]
        factor = math.sqrt(1 + math.log(config.max_position_embeddings / original) / math.log(original))
        writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(factor)
        for side in ["short", "long"]:
            writer.add_tensor(f"rope_factors_{side}.weight", torch.tensor(rope[f"{side}_factor"]).numpy())
    elif kind == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_divisors(rope, head_width).numpy())


def llama3_divisors(rope: dict, head_width: int) -> torch.Tensor:
    frequencies = rope["rope_theta"] ** -(torch.arange(0, head_width, 2).double() / head_width)
    wavelengths = 2 * math.pi / frequencies
    context, factor = rope["original_max_position_embeddings"], rope["factor"]
    low, high = context / rope["low_freq_factor"], context / rope["high_freq_factor"]
    smooth = (context / wavelengths - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
    divisors = 1 / ((1 - smooth) / factor + smooth)
    divisors = torch.where(wavelengths < high, 1.0, torch.where(wavelengths > low, factor, divisors))
    return divisors.float()


def add_traits(writer, config) -> None:
    window = getattr(config, "sliding_window", None)
    if window is not None and config.model_type in {"mistral", "gemma2", "gemma3_text", "phi3", "olmo3"}:
        writer.add_sliding_window(window)
    for key, add in [
        ("attn_logit_softcapping", writer.add_attn_logit_softcapping),
        ("final_logit_softcapping", writer.add_final_logit_softcapping),
        ("embedding_multiplier", writer.add_embedding_scale),
        ("residual_multiplier", writer.add_residual_scale),
        ("attention_multiplier", writer.add_attention_scale),
        ("logits_scaling", writer.add_logit_scale),
    ]:
        if getattr(config, key, None):
            add(getattr(config, key))
    if scalar := getattr(config, "query_pre_attn_scalar", None):
        writer.add_attention_scale(scalar**-0.5)
    types = getattr(config, "layer_types", None) or []
    if config.model_type.startswith("gemma") and "full_attention" in types:
        writer.add_sliding_window_pattern(types.index("full_attention") + 1)
    if config.model_type == "olmo3":
        writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in types])
