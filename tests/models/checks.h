// What all models share: how a property is named, and how a model shows that something happens in it.
#pragma once

// A property. Where it does not hold, Spin reports "assertion violated !(name)"; expected.txt names it.
#define CHECK(name, condition) \
  if :: (condition) :: else -> name = 1; assert(!(name)) fi

// A state that the full search has to come to, or the model shows nothing: said by the search, once, and not a part of
// any state.
#define REACHED(what) \
  c_code { static int said; if (!said) { said = 1; printf("reached: %s\n", #what); } }
