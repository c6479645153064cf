#include "log_generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <numeric>
#include <span>
#include <string_view>
#include <system_error>

namespace demo {
namespace {

// splitmix64 (Steele, Lea, Flood 2014). The standard library's distributions differ between
// implementations, so numbers are drawn from it directly.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }
  // Small numbers often, large ones rarely.
  std::uint64_t skewed_below(std::uint64_t limit) { return std::min({below(limit), below(limit), below(limit)}); }

 private:
  std::uint64_t state_;
};

struct Route {
  std::string_view prefix;  // what the guest counts by: the first two segments
  std::string_view rest;    // "#" becomes a number
  std::string_view method;
  unsigned weight;
  unsigned typical_millis, typical_bytes;
};
constexpr std::array routes = {
    Route{"/static/js", "/app.#.js", "GET", 18, 2, 84'000},
    Route{"/static/css", "/site.#.css", "GET", 10, 2, 21'000},
    Route{"/static/img", "/products/#.webp", "GET", 22, 3, 46'000},
    Route{"/products/list", "?page=#&sort=price", "GET", 12, 38, 18'500},
    Route{"/products/view", "/#?ref=search", "GET", 14, 24, 22'400},
    Route{"/api/search", "?q=item+#&limit=20", "GET", 8, 61, 6'100},
    Route{"/api/cart", "/items/#", "POST", 5, 33, 640},
    Route{"/api/orders", "/#", "GET", 5, 47, 1'900},
    Route{"/api/checkout", "/#/confirm", "POST", 2, 180, 480},
    Route{"/account/login", "", "POST", 3, 92, 310},
    Route{"/robots.txt", "", "GET", 1, 1, 120},
};

constexpr std::array<std::string_view, 6> browsers = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
    "Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
    "Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile "
    "Safari/537.36",
    "curl/8.11.0",
};
constexpr std::array<std::string_view, 2> crawlers = {
    "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://bot.example.com/about)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; HarvestBot/1.4) (compatible; HarvestBot/1.4)",
};
constexpr std::array<std::string_view, 4> referrers = {"-", "https://shop.example.com/",
                                                       "https://shop.example.com/products/list",
                                                       "https://search.example.org/results?q=shop"};
constexpr std::size_t longest_latency = 8192;  // milliseconds; nothing takes longer

const Route& draw_route(Random& random) {
  static const unsigned all =
      std::accumulate(routes.begin(), routes.end(), 0U, [](unsigned sum, const Route& r) { return sum + r.weight; });
  auto left = static_cast<unsigned>(random.below(all));
  for (const Route& route : routes) {
    if (left < route.weight) return route;
    left -= route.weight;
  }
  return routes.back();
}

unsigned draw_status(Random& random) {
  const std::uint64_t n = random.below(1000);
  if (n < 6) return 500 + static_cast<unsigned>(random.below(4));
  if (n < 40) return 404;
  if (n < 52) return 403;
  if (n < 130) return 304;
  if (n < 160) return 302;
  return 200;
}

// Around the typical time; one request in 50 takes up to 40 times as long.
std::uint64_t draw_millis(Random& random, unsigned typical) {
  std::uint64_t millis = typical / 2 + random.below(typical + 1);
  if (random.below(50) == 0) millis += typical * random.skewed_below(40);
  return std::min<std::uint64_t>(millis, longest_latency - 1);
}

unsigned percentile(std::span<const std::uint64_t> latencies, std::uint64_t percent) {
  const std::uint64_t all = std::accumulate(latencies.begin(), latencies.end(), std::uint64_t{0});
  std::uint64_t seen = 0;
  for (unsigned i = 0; i < latencies.size(); ++i) {
    seen += latencies[i];
    if (seen * 100 >= all * percent) return i;
  }
  return static_cast<unsigned>(latencies.size());
}

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) { facts_.latencies.resize(longest_latency); }

  void append_line(fmt::memory_buffer& out) {
    const Route& route = draw_route(random_);
    const unsigned status = draw_status(random_);
    const std::uint64_t millis = draw_millis(random_, route.typical_millis);
    const std::uint64_t sent =
        status == 200 ? route.typical_bytes / 2 + random_.below(route.typical_bytes) : random_.below(600);
    const bool crawler = random_.below(30) == 0;
    const std::string_view referrer = referrers[random_.below(referrers.size())];
    const std::string_view agent =
        crawler ? crawlers[random_.below(crawlers.size())] : browsers[random_.below(browsers.size())];

    append_client_and_time(out);
    fmt::format_to(std::back_inserter(out), "\"{} {}", route.method, route.prefix);
    for (const char c : route.rest) {
      if (c == '#') {
        fmt::format_to(std::back_inserter(out), "{}", random_.skewed_below(20'000) + 1);
      } else {
        out.push_back(c);
      }
    }
    fmt::format_to(std::back_inserter(out), " HTTP/1.1\" {} {} \"{}\" \"{}\" {}.{:03}\n", status, sent, referrer, agent,
                   millis / 1000, millis % 1000);

    ++lines_;
    ++by_class_[status / 100];
    sent_ += sent;
    crawlers_ += crawler ? 1 : 0;
    ++by_route_[static_cast<std::size_t>(&route - routes.data())];
    ++facts_.latencies[millis];
  }

  LogFacts finish(std::uint64_t bytes) {
    auto& figures = facts_.figures;
    figures["lines"] = lines_;
    figures["bytes"] = bytes;
    figures["skipped"] = 0;
    for (std::size_t i = 1; i < by_class_.size(); ++i) figures[fmt::format("{}xx", i)] = by_class_[i];
    figures["sent"] = sent_;
    figures["crawlers"] = crawlers_;
    figures["p50-ms"] = percentile(facts_.latencies, 50);
    figures["p99-ms"] = percentile(facts_.latencies, 99);
    for (std::size_t i = 0; i < routes.size(); ++i) figures[fmt::format("route {}", routes[i].prefix)] = by_route_[i];
    return std::move(facts_);
  }

 private:
  // Clients come again and again, some much more often; the clock goes on by some 30 requests a second.
  void append_client_and_time(fmt::memory_buffer& out) {
    const std::uint64_t client = random_.skewed_below(1 << 16) * 40'503;
    ticks_ += random_.below(66);
    const std::uint64_t seconds = ticks_ / 1000;
    fmt::format_to(std::back_inserter(out), "{}.{}.{}.{} - - [{:02}/Mar/2026:{:02}:{:02}:{:02} +0000] ",
                   11 + client % 180, client / 180 % 250, client / 45'000 % 250, 1 + client % 253,
                   1 + seconds / 86'400 % 31, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
  }

  Random random_;
  LogFacts facts_;
  std::uint64_t ticks_ = 0, lines_ = 0, sent_ = 0, crawlers_ = 0;
  std::array<std::uint64_t, 6> by_class_{};
  std::array<std::uint64_t, routes.size()> by_route_{};
};

}  // namespace

std::uint64_t LogFacts::slow(std::uint64_t millis) const {
  if (millis == 0 || millis >= latencies.size()) return 0;
  return std::accumulate(latencies.begin() + static_cast<std::ptrdiff_t>(millis), latencies.end(), std::uint64_t{0});
}

LogFacts generate_log(const std::string& path, std::uint64_t bytes, std::uint64_t seed) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"), &std::fclose);
  if (!file) throw std::system_error(errno, std::generic_category(), path);
  Generator generator(seed);
  fmt::memory_buffer block;
  std::uint64_t written = 0;
  while (written < bytes) {
    block.clear();
    while (block.size() < (1 << 20) && written + block.size() < bytes) generator.append_line(block);
    if (std::fwrite(block.data(), 1, block.size(), file.get()) != block.size()) {
      throw std::system_error(errno, std::generic_category(), path);
    }
    written += block.size();
  }
  if (std::fflush(file.get()) != 0) throw std::system_error(errno, std::generic_category(), path);
  return generator.finish(written);
}

}  // namespace demo
