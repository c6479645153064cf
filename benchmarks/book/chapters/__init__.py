"""The chapters, in the page's order."""
from chapters import engine, guests, programs, runtime, scale

ALL = [chapter() for chapter in (
    engine.Instructions, guests.GuestInstructions, engine.Check, guests.GuestFlags, engine.Flip, scale.Sites, scale.Threads, scale.FlagSets,
    programs.CoreMark, programs.CoreMarkFlags, programs.PolyBench, programs.Compile, runtime.Tiers, runtime.Interruption,
    programs.CoreMarkInterruption, runtime.Tracing, runtime.Speculation, runtime.HostSites, runtime.Demo)]
