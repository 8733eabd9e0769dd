// Owners of ONNX Runtime's objects: each is released by the function that the API gives for its type.
#pragma once

#include <memory>

#include "api.h"

namespace inhouse {

template <class T>
struct Releaser {
  void (*release)(T*) = nullptr;
  void operator()(T* object) const { release(object); }
};

template <class T>
using Handle = std::unique_ptr<T, Releaser<T>>;

/** Calls `create(arguments..., &object)` and owns what it made. Throws an OrtError. */
template <class T, class... Parameters, class... Arguments>
Handle<T> create(const Api& api, void (*release)(T*), OrtStatus* (*create)(Parameters...), Arguments... arguments) {
  T* object = nullptr;
  api.check(create(arguments..., &object));
  return Handle<T>(object, Releaser<T>{release});
}

}  // namespace inhouse
