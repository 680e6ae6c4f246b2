// See check_attributes.h. Keeps a list instead of recursing, and looks at each object once per declared type, however
// often it is shared.
#include "check_attributes.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "refuse_model.h"

namespace nacue {

namespace {

bool IsContainer(const c10::IValue& value) {
  return value.isObject() || value.isTuple() || value.isList() || value.isGenericDict();
}

// Whether `value` is of the type, not counting what it contains. Types are never computed from containers: that takes
// time exponential in how they share each other.
bool Agrees(const c10::IValue& value, const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::AnyType:
      return true;
    case c10::TypeKind::OptionalType:
      return value.isNone() || Agrees(value, *type.containedType(0));
    case c10::TypeKind::TensorType:
      return value.isTensor();
    case c10::TypeKind::ListType:
      return value.isList();
    case c10::TypeKind::DictType:
      return value.isGenericDict();
    case c10::TypeKind::TupleType:
      return value.isTuple() && value.toTupleRef().elements().size() == type.containedTypeSize();
    case c10::TypeKind::UnionType:
      return IsContainer(value) ? !value.isObject() || value.toObjectRef().type()->isSubtypeOf(type)
                                : value.type()->isSubtypeOf(type);
    default:
      if (value.isObject()) return value.toObjectRef().type()->isSubtypeOf(type);
      return !IsContainer(value) && value.type()->isSubtypeOf(type);
  }
}

class AttributeCheck {
 public:
  void Run(const c10::IValue& module) {
    Check(module, module.toObjectRef().type(), root_name_);
    while (!open_.empty()) {
      const Place place = std::move(open_.back());
      open_.pop_back();
      CheckContents(place);
    }
  }

 private:
  struct Place {
    c10::IValue value;
    c10::TypePtr type;
    const std::string* attribute;
  };

  void Check(const c10::IValue& value, c10::TypePtr type, const std::string& attribute) {
    if (!Agrees(value, *type)) {
      RefuseDamaged("attribute " + Quoted(attribute) + " is declared as " + Quoted(type->repr_str()) + " but holds a " +
                    value.tagKind());
    }
    if (!IsContainer(value)) return;
    if (type->kind() == c10::TypeKind::OptionalType) type = type->containedType(0);
    const bool is_new = seen_.emplace(value.internalToPointer(), type.get()).second;
    if (is_new) open_.push_back({value, std::move(type), &attribute});
  }

  void CheckContents(const Place& place) {
    const auto& [value, type, attribute] = place;
    // Inside Any and Union, objects are checked against their own class only.
    const bool typed = type->containedTypeSize() > 0 && type->kind() != c10::TypeKind::UnionType;
    const auto contained = [&](size_t i) { return typed ? type->containedType(i) : c10::TypePtr(c10::AnyType::get()); };
    if (value.isObject()) {
      CheckSlots(value.toObjectRef(), *attribute);
    } else if (value.isTuple()) {
      const auto& elements = value.toTupleRef().elements();
      for (size_t i = 0; i < elements.size(); ++i) Check(elements[i], contained(i), *attribute);
    } else if (value.isList()) {
      const auto elements = value.toListRef();
      for (const c10::IValue& element : elements) Check(element, contained(0), *attribute);
    } else {
      for (const auto& entry : value.toGenericDict()) {
        Check(entry.key(), contained(0), *attribute);
        Check(entry.value(), contained(1), *attribute);
      }
    }
  }

  void CheckSlots(const c10::ivalue::Object& object, const std::string& attribute) {
    const auto& attributes = object.type()->getAttributes();  // owned by the class, which the object keeps alive
    if (object.slots().size() < attributes.size()) {
      RefuseDamaged("the object in " + Quoted(attribute) + " lacks attributes");
    }
    for (size_t i = 0; i < attributes.size(); ++i) {
      Check(object.slots()[i], attributes[i].getType(), attributes[i].getName());
    }
  }

  const std::string root_name_ = "self";
  std::vector<Place> open_;
  std::set<std::pair<const void*, const c10::Type*>> seen_;
};

}  // namespace

void CheckAttributes(const torch::jit::Module& module) {
  AttributeCheck().Run(module._ivalue());
}

}  // namespace nacue
