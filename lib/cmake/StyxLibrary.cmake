# libstyx, shared and static, from the objects of every room.
find_package(Threads REQUIRED)
find_package(OpenSSL 1.1 REQUIRED COMPONENTS Crypto)
get_property(rooms GLOBAL PROPERTY STYX_ROOMS)
list(TRANSFORM rooms REPLACE "(.+)" "$<TARGET_OBJECTS:room_\\1>" OUTPUT_VARIABLE objects)

foreach(kind IN ITEMS shared static)
  string(TOUPPER ${kind} type)
  add_library(styx_${kind} ${type} ${objects})
  set_target_properties(styx_${kind} PROPERTIES OUTPUT_NAME styx)
  target_include_directories(styx_${kind} INTERFACE
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/lib/include;${PROJECT_BINARY_DIR}/include>"
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  # A handler that forgets to answer returns no styx_answer: make that an error in every program that uses us.
  target_compile_options(styx_${kind} INTERFACE $<$<COMPILE_LANGUAGE:C>:-Werror=return-type>)
  target_link_libraries(styx_${kind} PUBLIC Threads::Threads PRIVATE OpenSSL::Crypto)
endforeach()
set_target_properties(styx_shared PROPERTIES EXPORT_NAME styx VERSION ${PROJECT_VERSION} SOVERSION 0)
set_target_properties(styx_static PROPERTIES EXPORT_NAME styx_static)
if(NOT STYX_SANITIZE) # sanitizers resolve their own symbols only in the program
  target_link_options(styx_shared PRIVATE LINKER:--no-undefined)
endif()
styx_whole(styx_shared)
add_library(styx::styx ALIAS styx_shared)
add_library(styx::styx_static ALIAS styx_static)

# styx_program(TARGET NAME SOURCE...): a program of ours; it sees the public headers only.
function(styx_program target name)
  add_executable(${target} ${ARGN})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name})
  target_compile_definitions(${target} PRIVATE STYX_VERSION="${PROJECT_VERSION}")
  target_link_libraries(${target} PRIVATE styx_flags styx::styx_static)
  styx_open_rooms(${target}) # none
  styx_whole(${target})
  if(STYX_JEMALLOC)
    # Linkers that leave out what is not needed do not see that malloc is, in code that is optimised as a whole.
    target_link_options(${target} PRIVATE LINKER:--no-as-needed)
    target_link_libraries(${target} PRIVATE PkgConfig::JEMALLOC)
  endif()
endfunction()
if(STYX_JEMALLOC)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
endif()
