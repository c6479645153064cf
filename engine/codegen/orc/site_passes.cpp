// Reads the site records of a graph.
#include <algorithm>
#include <cstring>
#include <vector>

#include "engine/codegen/orc/site_record.h"
#include "shunt/codegen/orc.h"

namespace shunt::orc {
namespace {

using llvm::jitlink::Block;
using llvm::jitlink::Edge;
using llvm::jitlink::LinkGraph;
using llvm::jitlink::Section;
using llvm::jitlink::Symbol;

llvm::Error malformed(const LinkGraph& graph, const char* what) {
  return to_llvm(make_error(ErrorCode::InvalidArgument, graph.getName() + ": a record in its section shunt_sites " +
                                                            what + ", so it was not written by shunt::orc"));
}

std::size_t target_count(const SiteRecordHeader& header) {
  return static_cast<std::size_t>(header.form_and_count >> 8);
}

// The header at the beginning of `content`, if a whole record stands there.
bool read_header(llvm::ArrayRef<char> content, SiteRecordHeader& header) {
  if (content.size() < sizeof header) return false;
  std::memcpy(&header, content.data(), sizeof header);
  return (content.size() - sizeof header) / sizeof(std::uint64_t) >= target_count(header);
}

// Makes each record of `whole` a block of its own; the assembler made one of all.
llvm::Error cut(LinkGraph& graph, Block& whole, Section& records) {
  std::vector<Block*> made;
  std::vector<std::size_t> begins;
  const llvm::ArrayRef<char> content = whole.getContent();
  for (std::size_t begin = 0; begin < content.size();) {
    SiteRecordHeader header{};
    if (!read_header(content.drop_front(begin), header)) return malformed(graph, "is cut short");
    const std::size_t size = sizeof header + target_count(header) * sizeof(std::uint64_t);
    begins.push_back(begin);
    made.push_back(&graph.createContentBlock(records, content.slice(begin, size), whole.getAddress() + begin, 8, 0));
    begin += size;
  }
  for (const Edge& edge : whole.edges()) {
    const auto after = std::upper_bound(begins.begin(), begins.end(), edge.getOffset());
    const auto index = static_cast<std::size_t>(after - begins.begin()) - 1;
    const auto offset = static_cast<Edge::OffsetT>(edge.getOffset() - begins[index]);
    made[index]->addEdge(edge.getKind(), offset, edge.getTarget(), edge.getAddend());
  }
  for (auto edge = whole.edges().begin(); edge != whole.edges().end();) edge = whole.removeEdge(edge);
  return llvm::Error::success();
}

// Ties a record to the code that its site is in: the code keeps it, and nothing else does.
llvm::Error tie(LinkGraph& graph, Block& record) {
  for (const Edge& edge : record.edges()) {
    if (edge.getOffset() != offsetof(SiteRecordHeader, address) || !edge.getTarget().isDefined()) continue;
    Symbol& symbol = graph.addAnonymousSymbol(record, 0, record.getSize(), false, false);
    edge.getTarget().getBlock().addEdge(Edge::KeepAlive, 0, symbol, 0);
    return llvm::Error::success();
  }
  return malformed(graph, "has no address in the object");
}

// Before the linker strips. Nothing of the records is needed at run time.
llvm::Error tie_records(LinkGraph& graph) {
  Section* const section = graph.findSectionByName(site_section);
  if (section == nullptr) return llvm::Error::success();
  section->setMemLifetime(llvm::orc::MemLifetime::NoAlloc);
  Section& records = graph.createSection(live_site_section, llvm::orc::MemProt::Read);
  records.setMemLifetime(llvm::orc::MemLifetime::NoAlloc);
  for (Block* const block : section->blocks()) {
    if (llvm::Error error = cut(graph, *block, records)) return error;
  }
  for (Block* const record : records.blocks()) {
    if (llvm::Error error = tie(graph, *record)) return error;
  }
  return llvm::Error::success();
}

// The engine checks that sites and targets lie in the code; here, that they are near enough to be said as offsets.
bool set_offset(std::uint64_t address, std::uintptr_t code, std::uint32_t& offset) {
  offset = static_cast<std::uint32_t>(address - code);
  return address - code == offset;
}

llvm::Error read_record(const LinkGraph& graph, llvm::ArrayRef<char> content, std::uintptr_t code,
                        CodeMemoryManager::Site& site) {
  SiteRecordHeader header{};
  if (!read_header(content, header)) return malformed(graph, "is cut short");
  site.site.key = reinterpret_cast<KeyBase*>(static_cast<std::uintptr_t>(header.key));
  site.site.form = static_cast<SiteForm>(header.form_and_count & 0xff);
  bool lie_in_code = set_offset(header.address, code, site.site.offset);
  for (std::size_t i = 0; i < target_count(header); ++i) {
    std::uint64_t target = 0;
    std::memcpy(&target, content.data() + sizeof header + i * sizeof target, sizeof target);
    lie_in_code = set_offset(target, code, site.targets.emplace_back()) && lie_in_code;
  }
  return lie_in_code ? llvm::Error::success() : malformed(graph, "names an address outside the object's code");
}

// When relocations are applied.
llvm::Error read_records(const LinkGraph& graph, const Section& records, CodeMemoryManager& memory) {
  llvm::Expected<std::uintptr_t> code = memory.code_address(graph);
  if (!code) return code.takeError();
  std::vector<CodeMemoryManager::Site> sites;
  for (const Block* const record : records.blocks()) {
    if (llvm::Error error = read_record(graph, record->getContent(), *code, sites.emplace_back())) return error;
  }
  return memory.keep_sites(graph, std::move(sites));
}

}  // namespace

void add_site_passes(llvm::jitlink::PassConfiguration& passes, CodeMemoryManager& memory) {
  passes.PrePrunePasses.emplace_back(tie_records);
  passes.PostFixupPasses.emplace_back([&memory](LinkGraph& graph) -> llvm::Error {
    const Section* const records = graph.findSectionByName(live_site_section);
    if (records == nullptr || records->blocks().empty()) return llvm::Error::success();
    return read_records(graph, *records, memory);
  });
}

void SitePlugin::modifyPassConfig(llvm::orc::MaterializationResponsibility&, LinkGraph&,
                                  llvm::jitlink::PassConfiguration& passes) {
  add_site_passes(passes, memory_);
}

}  // namespace shunt::orc
