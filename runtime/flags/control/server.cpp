// One thread serves all connections; what a client sends or does not read cannot make it wait, nor hold more than a
// bounded amount of memory.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <list>
#include <mutex>
#include <new>
#include <set>
#include <thread>
#include <utility>

#include "runtime/flags/control/private_socket.h"
#include "runtime/flags/control/requests.h"
#include "runtime/flags/quiet_thread.h"
#include "shunt/runtime/flag_control.h"

namespace shunt::flags {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t max_clients = 16;
constexpr int accept_pause_ms = 100;
constexpr std::size_t max_request = std::size_t{64} << 10;
constexpr std::size_t max_unread = std::size_t{4} << 20;  // of answers; a client that does not read them is dropped

struct Client {
  OwnedDescriptor socket;
  std::string in, out;
  bool watches = false, ended = false;
};

}  // namespace

struct FlagControl::Impl {
  FlagSet& set;
  PrivateSocket listener;
  OwnedDescriptor stop{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  OwnedDescriptor woken{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};  // there are changed flags
  std::thread thread;

  std::mutex lock;  // protects `changed` alone; the set's lock may be held by whoever takes it
  std::set<std::string> changed;

  // The thread's own.
  std::list<Client> clients;
  Clock::time_point accept_again{};  // after an accept(2) that failed

  Impl(FlagSet& flags, PrivateSocket&& socket) : set(flags), listener(std::move(socket)) {}
  void note(const std::vector<std::string>& keys) noexcept;
  void run();
  bool turn();
  void receive(Client& client);
  void send(Client& client) const;
  void tell_changes();
};

// Called under the set's lock. Without memory to note them, these changes are not told.
void FlagControl::Impl::note(const std::vector<std::string>& keys) noexcept try {
  const std::scoped_lock hold(lock);
  changed.insert(keys.begin(), keys.end());
  ::eventfd_write(woken.get(), 1);
} catch (const std::bad_alloc&) {
  ::eventfd_write(woken.get(), 1);  // those that were noted before
}

void FlagControl::Impl::run() {
  for (;;) {
    try {
      if (!turn()) return;
    } catch (const std::bad_alloc&) {
      clients.clear();  // what they hold is freed; they may connect again
    }
  }
}

// Waits for something to do, and does it; false: it is the end.
bool FlagControl::Impl::turn() {
  std::vector<pollfd> waits = {{stop.get(), POLLIN, 0}, {woken.get(), POLLIN, 0}, {listener.fd(), POLLIN, 0}};
  const bool accepts = clients.size() < max_clients && Clock::now() >= accept_again;
  if (!accepts) waits[2].fd = -1;
  for (const Client& client : clients) {
    waits.push_back({client.socket.get(), static_cast<short>(client.out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
  }
  ::poll(waits.data(), waits.size(), accepts || clients.size() == max_clients ? -1 : accept_pause_ms);
  if ((waits[1].revents & POLLIN) != 0) tell_changes();
  if ((waits[0].revents & POLLIN) != 0) {  // what changed before the end is told as far as sockets take it
    for (Client& client : clients) send(client);
    return false;
  }
  std::size_t i = 3;
  for (Client& client : clients) {
    const short seen = waits[i++].revents;
    if ((seen & (POLLIN | POLLHUP | POLLERR)) != 0) receive(client);
    send(client);
  }
  std::erase_if(clients, [](const Client& client) { return client.ended; });
  if ((waits[2].revents & POLLIN) == 0) return true;
  OwnedDescriptor next = listener.accept();
  if (next.get() >= 0) {
    clients.push_back({.socket = std::move(next)});
  } else if (errno != EAGAIN) {  // no descriptors or no memory: who waits is accepted when there are
    accept_again = Clock::now() + std::chrono::milliseconds(accept_pause_ms);
  }
  return true;
}

// Reads what there is, and answers each whole line.
void FlagControl::Impl::receive(Client& client) {
  std::array<char, 16 * 1024> buffer;
  const ssize_t got = ::recv(client.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    client.ended = true;
    return;
  }
  client.in.append(buffer.data(), static_cast<std::size_t>(got));
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = client.in.find('\n', begin)) != std::string::npos; begin = end + 1) {
    Answer given = answer(set, std::string_view(client.in).substr(begin, end - begin));
    client.watches = client.watches || given.watches;
    client.out += given.line + '\n';
    if (client.out.size() > max_unread) {
      client.ended = true;
      return;
    }
  }
  client.in.erase(0, begin);
  if (client.in.size() > max_request) client.ended = true;
}

void FlagControl::Impl::send(Client& client) const {
  while (!client.out.empty() && !client.ended) {
    const ssize_t sent = ::send(client.socket.get(), client.out.data(), client.out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      client.ended = errno != EAGAIN;
      break;
    }
    client.out.erase(0, static_cast<std::size_t>(sent));
  }
  if (client.out.size() > max_unread) client.ended = true;
}

void FlagControl::Impl::tell_changes() {
  std::vector<std::string> keys;
  {
    const std::scoped_lock hold(lock);
    eventfd_t unused = 0;
    ::eventfd_read(woken.get(), &unused);
    keys.assign(changed.begin(), changed.end());
    changed.clear();
  }
  std::string line;  // made if somebody watches
  for (Client& client : clients) {
    if (!client.watches) continue;
    if (line.empty()) line = flags_line(set, keys) + '\n';
    client.out += line;
  }
}

FlagControl::FlagControl(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<FlagControl>> FlagControl::start(FlagSet& set, const std::string& path) {
  Result<PrivateSocket> listener = PrivateSocket::listen(path);
  if (!listener) return listener.error();
  auto impl = std::make_unique<Impl>(set, std::move(*listener));
  if (impl->stop.get() < 0 || impl->woken.get() < 0) {
    return make_error(ErrorCode::SystemCall, std::string("eventfd: ") + std::strerror(errno));
  }
  Impl& self = *impl;
  std::unique_ptr<FlagControl> control(new FlagControl(std::move(impl)));
  Result<std::thread> thread = quiet_thread("the flags' control socket", [&self] { self.run(); });
  if (!thread) return thread.error();
  self.thread = std::move(*thread);
  set.on_change([&self](const std::vector<std::string>& keys) { self.note(keys); });
  return control;
}

FlagControl::~FlagControl() {
  if (!impl_->thread.joinable()) return;
  impl_->set.on_change({});
  ::eventfd_write(impl_->stop.get(), 1);
  impl_->thread.join();
}

}  // namespace shunt::flags
