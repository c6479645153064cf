// Reads the site records of a graph.
#include <cstring>

#include "engine/codegen/orc/site_record.h"
#include "shunt/codegen/orc.h"

namespace shunt::orc {
namespace {

using llvm::jitlink::LinkGraph;

// A record is alive if the code that holds its site is; the linker finds code by references alone. Each record is a
// block.
llvm::Error tie_to_code(LinkGraph& graph) {
  llvm::jitlink::Section* const records = graph.findSectionByName(site_section);
  if (records == nullptr) return llvm::Error::success();
  for (llvm::jitlink::Block* const block : records->blocks()) {
    for (const llvm::jitlink::Edge& edge : block->edges()) {
      if (edge.getOffset() != 0 || !edge.getTarget().isDefined()) continue;
      llvm::jitlink::Symbol& record = graph.addAnonymousSymbol(*block, 0, block->getSize(), false, false);
      edge.getTarget().getBlock().addEdge(llvm::jitlink::Edge::KeepAlive, 0, record, 0);
      break;
    }
  }
  return llvm::Error::success();
}

// Nothing of the records is needed at run time.
llvm::Error keep_out_of_memory(LinkGraph& graph) {
  if (llvm::jitlink::Section* const records = graph.findSectionByName(site_section)) {
    records->setMemLifetime(llvm::orc::MemLifetime::NoAlloc);
  }
  return llvm::Error::success();
}

llvm::Error malformed(const LinkGraph& graph) {
  return to_llvm(make_error(ErrorCode::InvalidArgument,
                            graph.getName() + ": a record in its section shunt_sites is cut short, so it was not "
                                              "written by emit_branch()"));
}

llvm::Error read_block(const LinkGraph& graph, llvm::ArrayRef<char> content, std::uintptr_t code,
                       std::vector<CodeMemoryManager::Site>& sites) {
  while (!content.empty()) {
    SiteRecordHeader header{};
    if (content.size() < sizeof header) return malformed(graph);
    std::memcpy(&header, content.data(), sizeof header);
    content = content.drop_front(sizeof header);
    const std::size_t count = header.form_and_count >> 8;
    if (content.size() / sizeof(std::uint64_t) < count) return malformed(graph);
    CodeMemoryManager::Site site;
    site.site.key = reinterpret_cast<KeyBase*>(static_cast<std::uintptr_t>(header.key));
    site.site.form = static_cast<SiteForm>(header.form_and_count & 0xff);
    site.site.offset = static_cast<std::uint32_t>(header.address - code);
    for (std::size_t i = 0; i < count; ++i) {
      std::uint64_t target = 0;
      std::memcpy(&target, content.data() + i * sizeof target, sizeof target);
      site.targets.push_back(static_cast<std::uint32_t>(target - code));
    }
    content = content.drop_front(count * sizeof(std::uint64_t));
    sites.push_back(std::move(site));
  }
  return llvm::Error::success();
}

}  // namespace

void add_site_passes(llvm::jitlink::PassConfiguration& passes, CodeMemoryManager& memory) {
  passes.PrePrunePasses.emplace_back(tie_to_code);
  passes.PostPrunePasses.emplace_back(keep_out_of_memory);
  passes.PostFixupPasses.emplace_back([&memory](LinkGraph& graph) -> llvm::Error {
    llvm::jitlink::Section* const records = graph.findSectionByName(site_section);
    if (records == nullptr) return llvm::Error::success();
    std::vector<CodeMemoryManager::Site> sites;
    for (llvm::jitlink::Block* const block : records->blocks()) {
      if (llvm::Error error = read_block(graph, block->getContent(), memory.code_address(graph), sites)) return error;
    }
    memory.keep_sites(graph, std::move(sites));
    return llvm::Error::success();
  });
}

void SitePlugin::modifyPassConfig(llvm::orc::MaterializationResponsibility&, LinkGraph&,
                                  llvm::jitlink::PassConfiguration& passes) {
  add_site_passes(passes, memory_);
}

}  // namespace shunt::orc
