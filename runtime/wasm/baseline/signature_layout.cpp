#include "runtime/wasm/baseline/signature_layout.h"

namespace shunt::wasm::baseline {

SignatureLayout::SignatureLayout(const FunctionType& function_type, const RegisterRoles& roles) : type(&function_type) {
  std::size_t general = 0;
  std::size_t floating = 0;
  params.reserve(function_type.params.size());
  for (const ValueType param : function_type.params) {
    Place place;
    if (class_of(param) == RegClass::General && general < roles.general_arguments.size()) {
      place.reg = roles.general_arguments[general++];
    } else if (class_of(param) == RegClass::Float && floating < roles.float_arguments.size()) {
      place.reg = roles.float_arguments[floating++];
    } else {
      place.word = argument_words++;
    }
    params.push_back(place);
  }
}

}  // namespace shunt::wasm::baseline
