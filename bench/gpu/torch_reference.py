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
        # Names come and go over the versions of transformers.
        self.takes = inspect.signature(self.model.forward).parameters

    def run(self):
        depths, batches, prompts = (self.work[name] for name in ("depths", "batches", "prompts"))
        for prompt in prompts:
            self.report("eager", "prefill", 1, 0, prompt)
        for depth in depths:
            for batch in batches:
                self.report("eager", "decode", batch, depth, None)
        # Compiling takes half a minute a case: only what the comparison is about.
        for batch in [batches[0], *[one for one in batches if one == 64]]:
            self.report("compile", "decode", batch, depths[0], None)
        self.report("compile", "prefill", 1, 0, prompts[0])

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
            samples = self.prefill(forward, prompt) if phase == "prefill" else self.decode(forward, batch, depth)
        ms = statistics.median(samples)
        return dict(
            msPerStep=ms,
            spread=dict(minMs=min(samples), maxMs=max(samples)),
            tokensPerSecond=(prompt or batch) / ms * 1000,
            peakBytes=self.torch.cuda.max_memory_allocated() if self.device == "cuda" else None,
        )

    def compile(self):
        """Anew for each case, whose shapes are static; replays CUDA graphs where it can, its fastest way to decode."""
        self.torch._dynamo.reset()
        return self.torch.compile(self.model, mode="reduce-overhead", dynamic=False)

    def decode(self, forward, batch, depth):
        """Milliseconds per step: every row holds `depth` tokens, each step feeds one more and takes the most probable."""
        steps = self.work["newTokens"]
        cache = self.cache(batch, depth + steps)
        held = self.tokens(batch, depth)
        samples = []
        for repetition in range(self.work["repetitions"] + 1):  # the first compiles and warms up
            if repetition > 0:
                cache.reset()
            self.step(self.model, held, cache, self.positions(0, depth))
            token = self.tokens(batch, 1)
            position = self.positions(depth, 1).clone()
            self.synchronize()
            begin = time.perf_counter()
            for _ in range(steps):
                token = self.step(forward, token, cache, position).argmax(-1, keepdim=True).clone()
                position += 1
            self.synchronize()
            if repetition > 0:
                samples.append((time.perf_counter() - begin) * 1000 / steps)
        return samples

    def prefill(self, forward, prompt):
        """Milliseconds of a whole prompt up to its first token, which is brought to the host."""
        cache = self.cache(1, prompt)
        self.step(self.model, self.tokens(1, prompt), cache, self.positions(0, prompt))  # has the cache allocated
        samples = []
        for repetition in range(self.work["repetitions"] + 2):  # two to compile and warm up
            cache.reset()
            ids = self.tokens(1, prompt)
            self.synchronize()
            begin = time.perf_counter()
            self.step(forward, ids, cache, self.positions(0, prompt)).argmax().item()
            if repetition > 1:
                samples.append((time.perf_counter() - begin) * 1000)
        return samples

    def step(self, forward, ids, cache, positions):
        """Logits of the last position of each row, [batch, vocabulary]."""
        if forward is not self.model:
            self.torch.compiler.cudagraph_mark_step_begin()
        given = dict(cache_position=positions, logits_to_keep=1)
        given = {name: value for name, value in given.items() if name in self.takes}
        return forward(input_ids=ids, past_key_values=cache, use_cache=True, **given).logits[:, -1]

    def cache(self, batch, positions):
        """Of static shape, as long as the case needs."""
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
