"""Random models of a family, for the goldens and the check of families: weights at which a mistake shows."""
import torch
from transformers import AutoModelForCausalLM, Gemma3Config


def with_images(text, vision: dict, **options) -> Gemma3Config:
    """Gemma 3 with an encoder of images around the configuration of its decoder."""
    return Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, boi_token_index=3,
                        eoi_token_index=4, image_token_index=5, **options)  # fmt: skip


def random_model(config, gain: float, query_key_gain: float, **options) -> torch.nn.Module:
    """The default initialisation leaves logits flat. Encoders of images are left as they come."""
    model = AutoModelForCausalLM.from_config(config, **options).float().eval()
    # Gemma's norms hold the weight less one.
    offset = 0.0 if "gemma" in config.model_type else 1.0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "vision" in name or "projector" in name:
                continue
            if name.endswith("norm.weight"):
                parameter.copy_(offset + 0.2 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.copy_(0.3 * torch.randn_like(parameter))
            else:
                scale = query_key_gain if "q_proj" in name or "k_proj" in name else gain
                parameter.copy_(scale * torch.randn_like(parameter) / parameter.shape[-1] ** 0.5)
    return model
