#include "engine/observe/elf_image.h"

#include <elf.h>

#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace shunt::detail {
namespace {

enum Section : std::uint16_t { Null, Text, Symbols, Strings, SectionNames, Count };

// A string table: offset 0 is the empty string.
class StringTable {
 public:
  std::uint32_t add(std::string_view text) {
    const auto offset = static_cast<std::uint32_t>(bytes_.size());
    bytes_.append(text).push_back('\0');
    return offset;
  }
  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }

 private:
  std::string bytes_ = std::string(1, '\0');
};

template <class T>
void put(std::vector<std::uint8_t>& out, std::size_t offset, const T* data, std::size_t count) {
  if (count != 0) std::memcpy(out.data() + offset, data, count * sizeof(T));
}

Elf64_Ehdr file_header(InstructionSet instruction_set) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_REL;
  header.e_machine = instruction_set == InstructionSet::X86_64 ? EM_X86_64 : EM_AARCH64;
  header.e_version = EV_CURRENT;
  header.e_shoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = Section::Count;
  header.e_shstrndx = Section::SectionNames;
  return header;
}

// Values relative to .text, as in every relocatable object. The first is the null symbol.
std::vector<Elf64_Sym> symbols_of(const NamedCode& code, StringTable& names) {
  std::vector<Elf64_Sym> symbols(1);
  for (const NamedSymbol& named : code.symbols) {
    Elf64_Sym& symbol = symbols.emplace_back();
    symbol.st_name = names.add(named.name);
    symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
    symbol.st_shndx = Section::Text;
    symbol.st_value = named.offset;
    symbol.st_size = named.size;
  }
  return symbols;
}

}  // namespace

std::vector<std::uint8_t> make_elf_image(const NamedCode& code, InstructionSet instruction_set) {
  StringTable names;
  StringTable section_names;
  const std::vector<Elf64_Sym> symbols = symbols_of(code, names);
  std::array<Elf64_Shdr, Section::Count> sections{};
  std::size_t end = sizeof(Elf64_Ehdr) + sizeof sections;
  const auto place = [&](Section section, std::string_view name, std::uint32_t type, std::size_t size) -> Elf64_Shdr& {
    Elf64_Shdr& header = sections[section];
    header.sh_name = section_names.add(name);
    header.sh_type = type;
    header.sh_offset = end;
    header.sh_size = size;
    header.sh_addralign = 1;
    if (type != SHT_NOBITS) end += size;
    return header;
  };

  Elf64_Shdr& text = place(Section::Text, ".text", SHT_NOBITS, code.size);
  text.sh_flags = SHF_ALLOC | SHF_EXECINSTR;
  text.sh_addr = reinterpret_cast<std::uintptr_t>(code.begin);
  text.sh_addralign = 16;  // every piece of code begins at such an address
  Elf64_Shdr& table = place(Section::Symbols, ".symtab", SHT_SYMTAB, symbols.size() * sizeof(Elf64_Sym));
  table.sh_link = Section::Strings;
  table.sh_info = 1;  // the first global symbol
  table.sh_entsize = sizeof(Elf64_Sym);
  table.sh_addralign = alignof(Elf64_Sym);
  place(Section::Strings, ".strtab", SHT_STRTAB, names.bytes().size());
  // Its own name must be in it before its size is known.
  const std::uint32_t own_name = section_names.add(".shstrtab");
  place(Section::SectionNames, "", SHT_STRTAB, section_names.bytes().size() + 1).sh_name = own_name;

  std::vector<std::uint8_t> image(end);
  const Elf64_Ehdr header = file_header(instruction_set);
  put(image, 0, &header, 1);
  put(image, header.e_shoff, sections.data(), sections.size());
  put(image, sections[Section::Symbols].sh_offset, symbols.data(), symbols.size());
  put(image, sections[Section::Strings].sh_offset, names.bytes().data(), names.bytes().size());
  put(image, sections[Section::SectionNames].sh_offset, section_names.bytes().data(), section_names.bytes().size());
  return image;
}

}  // namespace shunt::detail
