-- Counts right and wrong answers. A wrong one is told, and the program's status is 1 in the end: errors cannot be caught in
-- guests, so assert would end the program without its message.
local check = { right = 0, wrong = 0 }

function check.that(what, condition)
  if condition then
    check.right = check.right + 1
  else
    check.wrong = check.wrong + 1
    print("WRONG: " .. what)
  end
end

function check.equal(what, found, expected)
  if math.type(found) ~= math.type(expected) or found ~= expected then
    what = what .. ": " .. tostring(found) .. " instead of " .. tostring(expected)
    check.that(what, false)
  else
    check.that(what, true)
  end
end

function check.finish(name)
  print(name .. ": " .. check.right .. " right, " .. check.wrong .. " wrong")
  os.exit(check.wrong == 0 and check.right > 0)
end

-- A sequence that looks random and is the same everywhere: x' = 6364136223846793005 x + 1442695040888963407 (mod 2^64).
function check.sequence(seed)
  local state = seed
  return function(limit)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % limit
  end
end

return check
