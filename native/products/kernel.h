// The two loops of a product that are written per instruction set.
#pragma once

#include "layout.h"

namespace inhouse {

struct ProductKernel {
  /** The instructions it takes. */
  const char* name;

  /**
   * Rounds the row x [inputs] to 8 bits, block by block: scale = max |x| / 127. A block that holds NaN or infinity has
   * the scale NaN.
   */
  void (*roundRow)(const BlockGrid& grid, const float* x, RoundedRows row);

  /**
   * y [count, columns] = rows times one panel, plus bias [columns] unless that is null; `columns` is how many of the
   * panel's outputs there are. A row's result does not depend on which rows, or how many, are computed with it.
   */
  void (*multiply)(const BlockGrid& grid, const std::uint8_t* panel, const RoundedRows& rows, std::size_t count,
                   const float* bias, float* y, std::size_t yStride, std::size_t columns);
};

/** The fastest that this processor can run; null where there is none. */
const ProductKernel* productKernel();

}  // namespace inhouse
