"""Tiny random Llama models for the goldens: every weight drawn large enough that a mistake shows."""
import os

# The models are made here: nothing may be looked up on a hub.
os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.disable_progress_bar()

COMMON = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              intermediate_size=96, vocab_size=160, max_position_embeddings=128, rms_norm_eps=1e-5,
              bos_token_id=1, eos_token_id=2, attn_implementation="eager")  # fmt: skip


def make_model(**overrides) -> LlamaForCausalLM:
    """The default initialisation (0.02) leaves attention uniform and logits flat; this one does not."""
    model = LlamaForCausalLM(LlamaConfig(**COMMON | overrides)).float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight"):
                parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.copy_(0.3 * torch.randn_like(parameter))
            else:
                # Queries and keys a little larger, so that attention has peaks.
                gain = 1.5 if "q_proj" in name or "k_proj" in name else 1.0
                parameter.copy_(gain * torch.randn_like(parameter) / parameter.shape[-1] ** 0.5)
    return model


def token_mean_loss(model, sequences: list[torch.Tensor], labels: list[torch.Tensor]) -> torch.Tensor:
    """Cross-entropy over all labelled tokens of the batch, divided by their number.

    Each sequence runs alone, without padding, so no padding rule can leak into the result.
    Labels are unshifted: labels[t] is what position t-1 must predict, labels[0] is never scored.
    """
    total, count = 0, 0
    for tokens, targets in zip(sequences, labels):
        logits = model(input_ids=tokens[None]).logits[0, :-1].float()
        total = total + torch.nn.functional.cross_entropy(logits, targets[1:], ignore_index=-100, reduction="sum")
        count += int((targets[1:] != -100).sum())
    return total / count


def random_sequences(lengths: list[int], prompts: list[int], vocabulary: int):
    """Token sequences and labels; the first `prompts[i]` labels of a sequence are masked."""
    sequences = [torch.randint(3, vocabulary, (length,)) for length in lengths]
    labels = [tokens.clone() for tokens in sequences]
    for targets, prompt in zip(labels, prompts):
        targets[:prompt] = -100
    return sequences, labels
