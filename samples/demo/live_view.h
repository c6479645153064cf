// The demo on a terminal while it runs: a picture that is drawn anew for each sample. Where the output is no terminal:
// a line a second and a line for each flip.
#pragma once

#include <cstddef>

#include "recording.h"

namespace demo {

class LiveView {
 public:
  LiveView();
  ~LiveView();  // gives the cursor back
  LiveView(const LiveView&) = delete;
  LiveView& operator=(const LiveView&) = delete;

  // Shows what was recorded so far.
  void show(const Recording& recording);

 private:
  void draw(const Recording& recording);
  void print_lines(const Recording& recording);

  bool terminal_;
  std::size_t lines_drawn_ = 0;
  std::size_t flips_printed_ = 0;
  double next_line_ = 1;  // second at which the next line is due
};

}  // namespace demo
