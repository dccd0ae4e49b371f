# styx_flags: how all code of this project is compiled. Probed, so that an older or newer compiler just gets fewer warnings.
include(CheckCCompilerFlag)

add_library(styx_flags INTERFACE)
target_compile_definitions(styx_flags INTERFACE _GNU_SOURCE)

foreach(flag IN ITEMS
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wundef
    -Wvla -Wcast-qual -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough -Werror=return-type)
  string(MAKE_C_IDENTIFIER "HAVE${flag}" known)
  check_c_compiler_flag(${flag} ${known})
  if(${known})
    target_compile_options(styx_flags INTERFACE ${flag})
  endif()
endforeach()
if(STYX_WERROR)
  target_compile_options(styx_flags INTERFACE -Werror)
endif()

# styx_whole(TARGET): link it as one piece of code. Objects have machine code too, for the static library and for everything that
# is linked without this: tests take no time for it, and what profiles by function finds its functions.
if(STYX_LTO AND CMAKE_C_COMPILER_ID STREQUAL GNU)
  target_compile_options(styx_flags INTERFACE -flto=auto -ffat-lto-objects)
  add_link_options($<IF:$<BOOL:$<TARGET_PROPERTY:STYX_WHOLE>>,-flto=auto,-fno-lto>)
endif()
function(styx_whole target)
  set_target_properties(${target} PROPERTIES STYX_WHOLE ON)
endfunction()

# These must reach every object and every link, so they are global.
if(STYX_SANITIZE)
  add_compile_options(-fsanitize=${STYX_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${STYX_SANITIZE})
endif()
if(STYX_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(STYX_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
