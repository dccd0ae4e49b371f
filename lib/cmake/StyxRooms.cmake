# Rooms: each source folder is an object library that can include its own headers, the public ones, and those of the rooms
# it may use (CONTRIBUTING.md has the table). A room's headers are reached as "room/x.h" through a directory that holds one
# symbolic link, so an include that is not allowed does not compile.
set(STYX_ROOMS_DIR ${PROJECT_BINARY_DIR}/rooms)

# The public headers and the tables that they include: everything a program outside lib/ and server/ can see.
add_library(styx_headers INTERFACE)
target_include_directories(styx_headers INTERFACE ${PROJECT_SOURCE_DIR}/lib/include ${PROJECT_BINARY_DIR}/include)
foreach(table IN ITEMS base/errors.def base/limits.def wire/messages.def)
  get_filename_component(name ${table} NAME)
  configure_file(${PROJECT_SOURCE_DIR}/lib/${table} ${PROJECT_BINARY_DIR}/include/styx/${name} COPYONLY)
endforeach()

# styx_open_rooms(TARGET ROOM...): let TARGET include the headers of these rooms.
function(styx_open_rooms target)
  foreach(room IN LISTS ARGN)
    target_include_directories(${target} PRIVATE ${STYX_ROOMS_DIR}/${room})
  endforeach()
  # For test/house, which proves that what is not listed does not compile.
  file(GENERATE OUTPUT ${STYX_ROOMS_DIR}/${target}.includes
    CONTENT "$<JOIN:$<TARGET_PROPERTY:${target},INCLUDE_DIRECTORIES>,\n>\n")
endfunction()

# styx_room(NAME [SEES ROOM...] SOURCES FILE...): the current folder as object library room_NAME.
function(styx_room name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SEES;SOURCES")
  file(MAKE_DIRECTORY ${STYX_ROOMS_DIR}/${name})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${STYX_ROOMS_DIR}/${name}/${name} SYMBOLIC)
  add_library(room_${name} OBJECT ${arg_SOURCES})
  target_link_libraries(room_${name} PRIVATE styx_flags styx_headers)
  styx_open_rooms(room_${name} ${name} ${arg_SEES})
  set_property(GLOBAL APPEND PROPERTY STYX_ROOMS ${name})
endfunction()
