// Site forms, as the engine's public headers and as arch/ name them.
#pragma once

#include "arch/site.h"
#include "shunt/engine.h"

namespace shunt::detail {

[[nodiscard]] constexpr arch::SiteForm arch_form(SiteForm form) noexcept {
  static_assert(static_cast<int>(SiteForm::Toggle) == static_cast<int>(arch::SiteForm::Toggle) &&
                static_cast<int>(SiteForm::AlignedWord) == static_cast<int>(arch::SiteForm::AlignedWord) &&
                static_cast<int>(SiteForm::Redirect) == static_cast<int>(arch::SiteForm::Redirect) &&
                static_cast<int>(SiteForm::Call) == static_cast<int>(arch::SiteForm::Call) &&
                static_cast<int>(SiteForm::Unaligned) == static_cast<int>(arch::SiteForm::Unaligned) &&
                static_cast<int>(SiteForm::UnalignedRedirect) == static_cast<int>(arch::SiteForm::UnalignedRedirect) &&
                static_cast<int>(SiteForm::UnalignedCall) == static_cast<int>(arch::SiteForm::UnalignedCall));
  return static_cast<arch::SiteForm>(form);
}

[[nodiscard]] constexpr bool is_redirect(SiteForm form) noexcept {
  return arch::is_redirect(arch_form(form));
}
[[nodiscard]] constexpr bool is_call(SiteForm form) noexcept {
  return arch::is_call(arch_form(form));
}
[[nodiscard]] constexpr bool is_unaligned(SiteForm form) noexcept {
  return arch::is_unaligned(arch_form(form));
}

// The enumerator's name, for errors.
[[nodiscard]] constexpr const char* name_of(SiteForm form) noexcept {
  switch (form) {
    case SiteForm::Toggle:
      return "Toggle";
    case SiteForm::AlignedWord:
      return "AlignedWord";
    case SiteForm::Redirect:
      return "Redirect";
    case SiteForm::Call:
      return "Call";
    case SiteForm::Unaligned:
      return "Unaligned";
    case SiteForm::UnalignedRedirect:
      return "UnalignedRedirect";
    case SiteForm::UnalignedCall:
      return "UnalignedCall";
  }
  return "(unknown form)";
}

}  // namespace shunt::detail
