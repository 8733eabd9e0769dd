"""GPT-2 of random weights in PyTorch, for comparison: transformers' model, FP16, static shapes, its own KV cache.

Eager and torch.compile, on the first CUDA device; in float32 on the CPU where there is none (a dry run). Prints one JSON
object a line as soon as it is measured; what fails is a line too, with its error. No text is made: tokens are random.

    torch_reference.py --versions
    torch_reference.py '{"layers": 12, "heads": 12, "width": 768, "vocabularySize": 50257, "contextLength": 1024,
                         "batches": [1], "depths": [64], "prompts": [512], "newTokens": 64, "repetitions": 5, "seconds": 120}'
"""

import inspect
import json
import statistics
import sys
import time

WARM_UP_STEPS = 5


def versions():
    import torch
    import transformers

    cuda = torch.cuda.is_available()
    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cuda": torch.version.cuda,
        "device": torch.cuda.get_device_name(0) if cuda else None,
    }


class Bench:
    def __init__(self, work):
        import torch
        import transformers

        self.torch = torch
        self.work = work
        self.until = time.monotonic() + work["seconds"]
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.dtype = torch.float16 if self.device == "cuda" else torch.float32
        config = transformers.GPT2Config(
            n_layer=work["layers"],
            n_head=work["heads"],
            n_embd=work["width"],
            vocab_size=work["vocabularySize"],
            n_positions=work["contextLength"],
            bos_token_id=0,
            eos_token_id=0,
            attn_implementation="sdpa",
        )
        torch.manual_seed(1)
        model = transformers.GPT2LMHeadModel(config)
        self.model = model.to(device=self.device, dtype=self.dtype).eval()
        self.compiled = None

    def run(self):
        for mode in ("eager", "compile"):
            for prompt in self.work["prompts"]:
                self.report(mode, "prefill", 1, 0, prompt)
            for depth in self.work["depths"]:
                for batch in self.work["batches"]:
                    self.report(mode, "decode", batch, depth, None)

    def report(self, mode, phase, batch, depth, prompt):
        result = dict(mode=mode, phase=phase, batch=batch, depth=depth, prompt=prompt)
        result.update(msPerStep=None, spread=None, tokensPerSecond=None, peakBytes=None, error=None)
        try:
            if time.monotonic() > self.until:
                raise TimeoutError("no time left")
            result.update(self.measure(mode, phase, batch, depth, prompt))
        except Exception as error:  # whatever a version of these libraries does not do: the other cases go on
            result["error"] = f"{type(error).__name__}: {error}".split("\n")[0][:300]
        print(json.dumps(result), flush=True)

    def measure(self, mode, phase, batch, depth, prompt):
        forward = self.model if mode == "eager" else self.compile()
        self.reset_peak()
        with self.torch.inference_mode():
            if phase == "prefill":
                samples = self.prefill(forward, prompt)
                tokens = prompt
            else:
                samples = self.decode(forward, batch, depth)
                tokens = batch
        ms = statistics.median(samples)
        return dict(
            msPerStep=ms,
            spread=dict(minMs=min(samples), maxMs=max(samples)),
            tokensPerSecond=tokens / ms * 1000,
            peakBytes=self.torch.cuda.max_memory_allocated() if self.device == "cuda" else None,
        )

    def compile(self):
        if self.compiled is None:
            # Replays CUDA graphs where it can, which is its fastest way to decode.
            self.compiled = self.torch.compile(self.model, mode="reduce-overhead", dynamic=False)
        return self.compiled

    def decode(self, forward, batch, depth):
        """Milliseconds per step: every row holds `depth` tokens, each step feeds one more and takes the most probable."""
        steps = self.work["newTokens"]
        cache = self.cache(batch, depth + steps)
        held = self.tokens(batch, depth)
        self.model(input_ids=held, past_key_values=cache, cache_position=self.positions(0, depth), use_cache=True)
        samples = []
        for repetition in range(self.work["repetitions"] + 1):
            token = self.tokens(batch, 1)
            count = WARM_UP_STEPS if repetition == 0 else steps
            position = self.positions(depth, 1).clone()
            self.synchronize()
            begin = time.perf_counter()
            for _ in range(min(count, steps)):
                if forward is not self.model:
                    self.torch.compiler.cudagraph_mark_step_begin()
                out = forward(input_ids=token, past_key_values=cache, cache_position=position, use_cache=True)
                token = out.logits[:, -1].argmax(-1, keepdim=True).clone()
                position += 1
            self.synchronize()
            if repetition > 0:
                samples.append((time.perf_counter() - begin) * 1000 / steps)
        return samples

    def prefill(self, forward, prompt):
        """Milliseconds of a whole prompt up to its first token, which is brought to the host."""
        samples = []
        for repetition in range(self.work["repetitions"] + 2):  # compiling, then warming up
            cache = self.cache(1, prompt)
            ids = self.tokens(1, prompt)
            self.synchronize()
            begin = time.perf_counter()
            if forward is not self.model:
                self.torch.compiler.cudagraph_mark_step_begin()
            out = forward(
                input_ids=ids,
                past_key_values=cache,
                cache_position=self.positions(0, prompt),
                use_cache=True,
                logits_to_keep=1,
            )
            out.logits[0, -1].argmax().item()
            if repetition > 1:
                samples.append((time.perf_counter() - begin) * 1000)
        return samples

    def cache(self, batch, positions):
        """The constructor has changed its names over the versions of transformers."""
        from transformers import StaticCache

        known = inspect.signature(StaticCache.__init__).parameters
        anything = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values())
        wanted = dict(max_cache_len=positions, device=self.device, dtype=self.dtype)
        wanted["batch_size" if "batch_size" in known else "max_batch_size"] = batch
        given = {name: value for name, value in wanted.items() if anything or name in known}
        return StaticCache(config=self.model.config, **given)

    def tokens(self, batch, count):
        return self.torch.randint(0, self.work["vocabularySize"], (batch, count), device=self.device)

    def positions(self, begin, count):
        return self.torch.arange(begin, begin + count, device=self.device)

    def synchronize(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def reset_peak(self):
        if self.device == "cuda":
            self.torch.cuda.empty_cache()
            self.torch.cuda.reset_peak_memory_stats()


if __name__ == "__main__":
    if sys.argv[1] == "--versions":
        print(json.dumps(versions()))
    else:
        Bench(json.loads(sys.argv[1])).run()
